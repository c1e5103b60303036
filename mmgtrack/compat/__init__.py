"""Bridges to older packages, imported by name where a config wants one."""
