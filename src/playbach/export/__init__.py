"""Exports a trained network's step to other formats, and checks each export against torch.

formats        the export formats by name: a new format is added here
exporting      writes a model in one format, several or all
samples        the music that an export is calibrated on and checked with
checking       compares an exported network with torch
step           the graph that is exported, and the names of its inputs and outputs
onnx, tflite   the step as a file in either format, and its quantisations
cnn_core       the 8-bit core of a `cnn`, for integer-only accelerators
integer        networks in integer arithmetic: the reference for the C engine
c              a folder of C for microcontrollers
"""
