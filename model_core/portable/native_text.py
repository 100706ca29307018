"""LLVM code of numba's, made for another processor: what asks for numba's own runtime, or x86, is put in its place.

A function that makes an array asks numba's runtime for memory, whose layout is known to its own version only. Here the
same words are C's malloc and free.
"""

import re

_COUNT_DOWN = "llvm.x86.atomic.sub.cc.i64"

_DEFINITIONS = """
declare ptr @malloc(i64)
declare void @free(ptr)

; a block, as numba's runtime has it: references, destructor, its argument, data, size, allocator; then the data
define internal ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {
  %aligned = zext i32 %align to i64
  %most = add i64 %size, %aligned
  %whole = add i64 %most, 48
  %block = call ptr @malloc(i64 %whole)
  %none = icmp eq ptr %block, null
  br i1 %none, label %failed, label %made
failed:
  ret ptr null
made:
  store i64 1, ptr %block
  %at = ptrtoint ptr %block to i64
  %behind = add i64 %at, 48
  %less = sub i64 %aligned, 1
  %up = add i64 %behind, %less
  %mask = sub i64 0, %aligned
  %place = and i64 %up, %mask
  %data = inttoptr i64 %place to ptr
  %data.at = getelementptr i8, ptr %block, i64 24
  store ptr %data, ptr %data.at
  %size.at = getelementptr i8, ptr %block, i64 32
  store i64 %size, ptr %size.at
  ret ptr %block
}
define internal void @NRT_MemInfo_call_dtor(ptr %block) {
  call void @free(ptr %block)
  ret void
}
; true if none is left
define internal i8 @count_down(ptr %at, i64 %by, i32 %equal) alwaysinline {
  %before = atomicrmw sub ptr %at, i64 %by acq_rel
  %last = icmp eq i64 %before, %by
  %told = zext i1 %last to i8
  ret i8 %told
}
"""


def for_native(text: str, triple: str, layout: str) -> str:
    """The text of a module for this target."""
    text = re.sub(r"^target (datalayout|triple) = .*$", "", text, flags=re.MULTILINE)
    for name in ("NRT_MemInfo_alloc_aligned", "NRT_MemInfo_call_dtor", _COUNT_DOWN):
        text = re.sub(rf"^declare .*@{re.escape(name)}\(.*$", "", text, flags=re.MULTILINE)
    text = text.replace(f"@{_COUNT_DOWN}(", "@count_down(")
    text = text.replace(" = common ", " = internal ")
    head = f'target datalayout = "{layout}"\ntarget triple = "{triple}"\n'
    return "\n".join([head, text, _DEFINITIONS])
