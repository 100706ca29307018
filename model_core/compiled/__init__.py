"""Compiled CPU code (numba, no C compiler): the recurrences that would drown in operator overhead.

vector_code.py   four rows times sixteen lanes: products and activations in registers, as LLVM vectors
lstm_cell.py     one LSTM cell of four images, forward and backward, as numba intrinsics
scans.py         a whole image of cells in raster order
"""
