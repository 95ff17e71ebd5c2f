# Flask Detector. `docker build -t flask-detector .`, then `docker run -p 5000:5000 flask-detector`.
# Needs nothing of BuildKit. Where the build cannot reach the network through Docker's bridge: --network host.

FROM debian:bookworm-slim AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH

# Everything from the registry, in /opt/venv. mmcv-full is compiled here, which takes some minutes, unless the folder
# `wheels` (git ignores it) holds a wheel of it: `pip wheel` or `pip download` put one there.
FROM python AS packages
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY scripts/install.py scripts/
COPY requirements.txt requirements-serve.txt wheels* ./wheels/
RUN mv wheels/requirements*.txt . \
    && python3 scripts/install.py --venv /opt/venv --without-gpu \
    && rm -rf /root/.cache /tmp/*

# The program, as a user who may write only to /data.
FROM python AS runtime
RUN useradd --uid 1000 --create-home detector \
    && install --directory --owner detector --mode 1777 /data
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY . .
ENV HOST=0.0.0.0 DATA_DIR=/data CHECKPOINTS_DIR=/data/checkpoints MPLCONFIGDIR=/tmp/matplotlib
USER detector
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=6 CMD ["python", "-m", "app.launch", "check"]
CMD ["python", "-m", "app.launch"]
