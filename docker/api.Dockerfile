# The web API, without torch: what it adds to the base image is about a tenth of what the worker adds.
#   docker build -f docker/api.Dockerfile -t pixelrnn-api .
FROM node:22-slim AS page
WORKDIR /src
# The page as few files. The wheel takes it from app/page; without it, it would have the plain modules.
COPY tests/browser/package.json tests/browser/package-lock.json tests/browser/
RUN npm ci --prefix tests/browser --no-audit --no-fund
COPY app/playground app/playground
# The page as one file holds the engine too.
COPY engine engine
COPY deploy/release/bundle_page.mjs deploy/release/
RUN node deploy/release/bundle_page.mjs app/page

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/pixelrnn && python -m venv /opt/build
WORKDIR /src
# The libraries, by their hashes (deploy/release/lock.py), are a layer of their own, made again only when the locks change.
COPY docker/api.lock docker/build.lock ./
RUN /opt/build/bin/pip install --require-hashes -r build.lock && /opt/pixelrnn/bin/pip install --require-hashes -r api.lock
COPY . .
COPY --from=page /src/app/page app/page
RUN /opt/build/bin/hatchling build -t wheel -d /wheel && /opt/pixelrnn/bin/pip install --no-deps /wheel/*.whl

FROM python:3.11-slim
COPY --from=build /opt/pixelrnn /opt/pixelrnn
RUN useradd --uid 10001 --create-home pixelrnn && install -d -o pixelrnn /added /portable
USER pixelrnn
WORKDIR /home/pixelrnn
ENV PATH=/opt/pixelrnn/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENV PIXELRNN_HOST=0.0.0.0 PIXELRNN_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["pixelrnn", "api"]
