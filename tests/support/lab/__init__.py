"""Servers that fail in exactly one way each, for the examination to find out."""
