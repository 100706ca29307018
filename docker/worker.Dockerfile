# A worker with the networks: torch for CPUs, or for GPUs with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128
#   docker build -f docker/worker.Dockerfile -t pixelrnn-worker .
FROM python:3.11-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/pixelrnn
WORKDIR /src
# Torch, then the other libraries, then our code: each layer is made again only when its own input changes.
# Torch is asked of its index alone: beside another one the newest version would win, whatever it was built for.
RUN /opt/pixelrnn/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} 'torch>=2.6'
COPY pyproject.toml README.md LICENSE ./
RUN mkdir app worker model_core pixelrnn models configs && /opt/pixelrnn/bin/pip install '.[worker]' && /opt/pixelrnn/bin/pip uninstall -y pixelrnn
COPY . .
RUN /opt/pixelrnn/bin/pip install --no-deps .

FROM python:3.11-slim
COPY --from=build /opt/pixelrnn /opt/pixelrnn
RUN useradd --uid 10001 --create-home pixelrnn && install -d -o pixelrnn /cache
USER pixelrnn
WORKDIR /home/pixelrnn
# NUMBA_CACHE_DIR: code compiled for this host's processor, kept on a volume so that a restart starts warm.
ENV PATH=/opt/pixelrnn/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
ENV NUMBA_CACHE_DIR=/cache PIXELRNN_KEPT_DIR=/cache/weights
ENV PIXELRNN_HEALTH_FILE=/tmp/pixelrnn-healthy
VOLUME /cache
# The first start on a volume compiles every network's loops: minutes, where the processor is busy with other things too.
HEALTHCHECK --interval=5s --timeout=10s --start-period=600s --start-interval=2s --retries=3 \
    CMD test -n "$(find "$PIXELRNN_HEALTH_FILE" -mmin -0.25)"
CMD ["pixelrnn", "worker"]
