"""From ``<identity>/<photo>`` to a prepared data set in the 2018 layout."""
