"""The model that comes with the package; ``twoface_pl.model_file`` says where it is."""
