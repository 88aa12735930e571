"""The turn protocol, on both flavours."""
