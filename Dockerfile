# The monitor as a container: one process, one volume, no rights. docs/operate.md says how to start it.
FROM python:3.12-slim AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m pip install --upgrade pip

FROM base AS build
WORKDIR /src
COPY requirements.txt requirements-dev.txt ./
RUN python -m venv /opt/monitor \
 && python -m pip --python /opt/monitor/bin/python install --require-hashes --only-binary=:all: -r requirements.txt \
 && python -m pip install --require-hashes --only-binary=:all: -r requirements-dev.txt
COPY pyproject.toml README.md monitor.yaml ./
COPY monitor monitor
COPY templates templates
COPY watchlists watchlists
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && python -m pip --python /opt/monitor/bin/python install --no-deps --no-index /wheel/*.whl

FROM base
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin monitor \
 && install -d -o monitor -g monitor /data
COPY --from=build /opt/monitor /opt/monitor
ENV PATH=/opt/monitor/bin:$PATH MONITOR_CONFIG=/data/monitor.yaml
USER 10001
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 \
  CMD ["monitor", "--config", "/data/monitor.yaml", "doctor", "--quick"]
CMD ["monitor", "--config", "/data/monitor.yaml", "run"]
