"""Built-in data: procedural labelled scenes, painted by numpy alone."""

from qbench.data.scenes.scene import CLASSES, VERSION, Scene, scene

__all__ = ["CLASSES", "VERSION", "Scene", "scene"]
