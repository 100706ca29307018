# The official server, never as root and with a data directory of its own user's.
FROM valkey/valkey:8
RUN mkdir -p /data && chown 10001:10001 /data
USER 10001:10001
