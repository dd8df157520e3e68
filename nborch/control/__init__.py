"""The control plane: what one can see and do, whoever asks, here or elsewhere.

- `base`: what every control plane can do; `forms`: what it answers, as JSON values
- `routes`: the same as addresses of the HTTP API, in one table
- `local`: does it on the home of this machine, a module for each noun
- `remote`: asks a server for it, wherever that is
- `choosing`: which of the two is meant
"""
