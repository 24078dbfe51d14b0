"""Logs of this version and of older ones, which every later version must replay to the digests that they had."""
