"""Certificates for scripted peers."""

from tests.support.tls_fixtures import ca, ca_file, client_tls, server_tls

__all__ = ["ca", "ca_file", "client_tls", "server_tls"]
