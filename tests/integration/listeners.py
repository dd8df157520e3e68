"""Who is told of the cells of a notebook that runs."""


class Silent:
    """Is told and says nothing."""

    def cell_started(self, index):
        return None

    def cell_message(self, index, payload):
        pass

    def cell_output(self, index):
        pass

    def cell_finished(self, report):
        pass
