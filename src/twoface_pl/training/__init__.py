"""The LightningModule, its callbacks, and a plain ``train(...)``."""
