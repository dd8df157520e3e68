"""Hatching: processes that are forked from one which has imported all they need.

`zygote` is the far side, which forks, signals and buries; `hatchery` the near one: it
gives orders and learns how its processes ended. Runs of workers begin so
(`nborch.hosting.zygote`), and kernels of notebooks
(`nborch.notebook.kernels.cradle`).
"""
