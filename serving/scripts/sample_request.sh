#!/bin/sh
# Repair a photo: sample_request.sh PHOTO REFERENCE [MASK], written beside the photo. PORT=8501, TOKEN=... if it asks.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: sample_request.sh PHOTO REFERENCE [MASK]" >&2
    exit 2
fi
photo=$1 reference=$2 mask=${3:-}
output="${photo%.*}-filled.${photo##*.}"
if [ -e "$output" ]; then
    echo "$output exists and is kept" >&2
    exit 1
fi
status=$(curl -sS -o "$output.part" -w '%{http_code}' ${TOKEN:+-H "Authorization: Bearer $TOKEN"} \
    -F "photo=@$photo" -F "reference=@$reference" ${mask:+-F "mask=@$mask"} \
    "http://127.0.0.1:${PORT:-8501}/inpaint")
if [ "$status" != 200 ]; then
    cat "$output.part" >&2
    echo >&2
    rm -f "$output.part"
    exit 1
fi
mv "$output.part" "$output"
echo "$output"
