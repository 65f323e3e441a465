#!/bin/sh
# Repair a photo: sample_request.sh PHOTO REFERENCE [MASK], written beside the photo. PORT=8501, TOKEN=... if it asks.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: sample_request.sh PHOTO REFERENCE [MASK]" >&2
    exit 2
fi
photo=$1 reference=$2 mask=${3:-}
part="${photo%.*}-filled.part"
told=$(curl -sS -o "$part" -w '%{http_code} %{content_type}' ${TOKEN:+-H "Authorization: Bearer $TOKEN"} \
    -F "photo=@$photo" -F "reference=@$reference" ${mask:+-F "mask=@$mask"} \
    "http://127.0.0.1:${PORT:-8501}/inpaint")
if [ "${told%% *}" != 200 ]; then
    cat "$part" >&2
    echo >&2
    rm -f "$part"
    exit 1
fi
suffix=${told##*/} # a HEIC photo, say, comes back as PNG
[ "$suffix" = jpeg ] && suffix=jpg
output="${photo%.*}-filled.$suffix"
if [ -e "$output" ]; then
    rm -f "$part"
    echo "$output exists and is kept" >&2
    exit 1
fi
mv "$part" "$output"
echo "$output"
