"""Crowds and measurements, driven from outside through the public interfaces."""
