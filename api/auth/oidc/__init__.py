"""Signing in at an identity provider: OpenID Connect, the authorization code with PKCE, state and nonce."""
