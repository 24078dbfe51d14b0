"""Tests that drive a browser against the whole stack."""
