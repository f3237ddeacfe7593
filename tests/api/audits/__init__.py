"""Public auditors of the API; `make audit` asks those that are slow or from npm. What they said: docs/audits.md."""
