"""Results: how values get from the cells of a notebook to who runs it.

- `giving`: `nborch.result`, in the kernel
- `handles`: what travels in place of a value
- `values`: the values by name, where the notebook was run from
"""
