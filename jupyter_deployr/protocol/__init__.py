"""The wire contract: what both ends of the HTTP API, and the processes behind it, agree on. Imports nothing of ours."""
