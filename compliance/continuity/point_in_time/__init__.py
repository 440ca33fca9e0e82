"""Copies of the server's files and the write-ahead log, by which any moment can be had."""
