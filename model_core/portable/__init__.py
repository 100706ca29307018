"""The drawing loops built ahead of time, for everything that compiles nothing:
browsers, Node, and workers at their first start. And models in the form that the
JavaScript engine reads.

build.py       the command that makes the WebAssembly modules in engine/
loops.py       what a module contains
program.py     a function of numba's with an entry that takes the address of a table
table.py       what that table contains, described once for Python and JavaScript
exact_fma.py   the one instruction that WebAssembly lacks
relaxed.py     the same by the machine's own instruction: faster, and used where a
               test shows that it gives the same bits
wasm.py        from programs to a module
target.py      the CPU for which modules are compiled
modules.py     the modules that exist
native.py      the command that compiles for workers ahead of time
packed.py      a model as the engine reads it
folder.py      a folder for any web server: page, engine, models
one_file.py    the same as one HTML file
laid_out.py    the same models by their identities, for the browsers of a service
"""
