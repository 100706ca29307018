"""The drawing loops built ahead of time, for what compiles nothing: browsers, Node, and workers at their first start.

build.py       the command that makes the modules in engine/
loops.py       what a module holds
program.py     a function of numba's with an entry that takes the address of one table
table.py       what that table holds, described once for Python and JavaScript
exact_fma.py   the one instruction that WebAssembly lacks
relaxed.py     the same where WebAssembly leaves it to the machine: faster, and taken where it is seen to be equal
wasm.py        from programs to a module
target.py      for what is compiled
sources.py     of which sources a module was made
modules.py     the modules that there are
native.py      the command that compiles for workers ahead of time
packed.py      a model as the engine reads it
folder.py      a folder for any web server: page, engine, models
laid_out.py    the same models by their identities, for the browsers of a service
"""
