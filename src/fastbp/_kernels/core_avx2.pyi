from .core_baseline import *
