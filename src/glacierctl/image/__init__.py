"""The container image: what goes into it, and the only room that talks to a Docker engine. Knows nothing of AWS."""
