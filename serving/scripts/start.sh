#!/bin/sh
# Build the image if there is none, start the server on port 8501 (PORT=...), and wait until it answers.
# What follows goes to `twoface serve`: start.sh --allow-host faces.example
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
port=${PORT:-8501}
docker image inspect twoface > /dev/null 2>&1 || docker build -t twoface -f "$root/serving/Dockerfile" "$root"
docker rm twoface > /dev/null 2>&1 || true # one that has ended
docker run --detach --name twoface --read-only --tmpfs /tmp --cap-drop ALL \
    --publish "127.0.0.1:$port:8501" twoface "$@" > /dev/null
for _ in $(seq 60); do
    if curl -sf "http://127.0.0.1:$port/v2/health/ready" > /dev/null; then
        echo "twoface answers on http://127.0.0.1:$port"
        exit 0
    fi
    [ "$(docker inspect --format '{{.State.Running}}' twoface)" = true ] || break
    sleep 1
done
echo "twoface does not answer; its log:" >&2
docker logs twoface >&2
exit 1
