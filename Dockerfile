# syntax=docker/dockerfile:1
# One image for serve, work and migrate. Build: docker build -t truelift .
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/truelift
COPY requirements/run.lock requirements/run.lock
RUN /opt/truelift/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md ./
COPY api api
COPY experiments experiments
COPY kpi kpi
COPY stats stats
COPY web web
COPY migrations migrations
COPY clients/python/truelift clients/python/truelift
RUN /opt/truelift/bin/pip install --no-cache-dir --no-build-isolation --no-deps .

FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
    libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core && rm -rf /var/lib/apt/lists/*  # for PDFs
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/truelift truelift
COPY --from=build /opt/truelift /opt/truelift
ENV PATH=/opt/truelift/bin:$PATH PYTHONUNBUFFERED=1 TRUELIFT_HOST=0.0.0.0 TRUELIFT_DATA_DIR=/var/lib/truelift/data
USER truelift
VOLUME /var/lib/truelift
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["truelift"]
CMD ["serve"]
