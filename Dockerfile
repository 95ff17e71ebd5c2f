# syntax=docker/dockerfile:1
# Targets: `app` (the default: everything, MMDetection included) and `serve` (exported engines only, no torch).
#   docker build -t flask-detector .
#   docker build -t flask-detector:serve --target serve .
# A folder `wheels/` beside this file may hold a built mmcv-full, which spares its compilation.

FROM debian:bookworm-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv ca-certificates libglib2.0-0 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app

FROM base AS full-venv
RUN apt-get update && apt-get install -y --no-install-recommends g++ python3-dev git && rm -rf /var/lib/apt/lists/*
COPY scripts/install.py scripts/
COPY requirements*.txt wheel[s]/ ./
RUN mkdir -p wheels && mv ./*.whl wheels/ 2>/dev/null || true
RUN --mount=type=cache,target=/root/.cache/pip \
    VENV=/venv PIP_FIND_LINKS=/app/wheels python3 scripts/install.py \
 && find /venv -name '*.a' -delete \
 && rm -rf /venv/lib/python3.11/site-packages/torch/include /venv/lib/python3.11/site-packages/torch/test

FROM base AS serve-venv
COPY scripts/install.py scripts/
COPY requirements*.txt ./
RUN --mount=type=cache,target=/root/.cache/pip VENV=/venv python3 scripts/install.py --serve

FROM full-venv AS engines
COPY . .
RUN /venv/bin/python -m app.vision.engine

# What both images share: the program, a user of its own, health.
FROM base AS runtime
RUN useradd --create-home --uid 10001 detector && mkdir -p /data /app/checkpoints && chown detector /data /app/checkpoints
ENV PATH=/venv/bin:$PATH HOST=0.0.0.0 DATA_DIR=/data
COPY --chown=detector . .
COPY --from=engines --chown=detector /app/checkpoints/engines checkpoints/engines
EXPOSE 5000
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=120s --retries=3 CMD ["python", "scripts/health.py"]
CMD ["python", "-m", "app.launch"]

FROM runtime AS serve
COPY --from=serve-venv /venv /venv
ENV ENGINE=openvino
USER detector

FROM runtime AS app
COPY --from=full-venv /venv /venv
USER detector
