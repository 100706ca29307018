# A worker with the networks: torch for CPUs, or for GPUs with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
# (CUDA 13, which needs NVIDIA's driver 580 or newer on the host)
#   docker build -f docker/worker.Dockerfile -t pixelrnn-worker .
FROM python:3.11-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_VERSION=2.13.0
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/pixelrnn && python -m venv /opt/build
WORKDIR /src
# Torch, then the other libraries, then our code: each layer is made again only when its own input changes.
# Torch is asked of its index alone: beside another one the newest version would win, whatever it was built for. It has no
# hash, because each of its builds, for processors and for CUDA, has other files under one version.
# Builds for CUDA 13 need cuda-bindings, which PyTorch's index lacked in January 2026 (pytorch/pytorch#172926): it comes
# from pip's usual index.
RUN case "$TORCH_INDEX" in */cu13*) /opt/pixelrnn/bin/pip install 'cuda-bindings>=13.0.3,<14' ;; esac \
 && /opt/pixelrnn/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch==$TORCH_VERSION"
COPY docker/worker.lock docker/build.lock ./
RUN /opt/build/bin/pip install --require-hashes -r build.lock && /opt/pixelrnn/bin/pip install --require-hashes -r worker.lock
COPY . .
# The drawing loops, so that no worker compiles them at its first start.
RUN /opt/pixelrnn/bin/python -m model_core.portable.native
RUN /opt/build/bin/hatchling build -t wheel -d /wheel && /opt/pixelrnn/bin/pip install --no-deps /wheel/*.whl

FROM python:3.11-slim
COPY --from=build /opt/pixelrnn /opt/pixelrnn
RUN useradd --uid 10001 --create-home pixelrnn && install -d -o pixelrnn /cache /added /portable
USER pixelrnn
WORKDIR /home/pixelrnn
# NUMBA_CACHE_DIR: code compiled for this host's processor, where what the image brings does not fit; on a volume, so that
# a restart starts warm.
ENV PATH=/opt/pixelrnn/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
ENV NUMBA_CACHE_DIR=/cache PIXELRNN_KEPT_DIR=/cache/weights
# What NVIDIA's driver translates the GPU programs to, so that only the first start waits for it.
ENV CUDA_CACHE_PATH=/cache/cuda
ENV PIXELRNN_HEALTH_FILE=/tmp/pixelrnn-healthy
VOLUME /cache
# A first start that has to compile takes minutes, where the processor is busy with other things too.
HEALTHCHECK --interval=5s --timeout=10s --start-period=600s --start-interval=2s --retries=3 \
    CMD test -n "$(find "$PIXELRNN_HEALTH_FILE" -mmin -0.25)"
CMD ["pixelrnn", "worker"]
