"""Hosting: the processes in which a worker's runs are executed.

`zygote` forks them, `running` is what each of them does. They are programs of their
own: whoever starts them (`nborch.deploy.hatchery`) knows only their names.
"""
