"""Loopback servers, the demo and the scaffolding of a new repository: what a machine without a Vault needs.

Real servers, not fakes: OpenBao and moto come as wheels, so a laptop, a CI job and the tests run the same thing.
"""
