#!/bin/sh
# Stop the server that start.sh started; it answers first what it has taken.
set -eu
docker stop --time 15 twoface > /dev/null
docker rm twoface > /dev/null
echo "twoface is stopped"
