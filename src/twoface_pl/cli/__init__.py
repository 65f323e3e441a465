"""The ``twoface`` command. Heavy imports live inside the commands, so that ``--help`` answers at once."""
