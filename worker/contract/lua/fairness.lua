-- The rule of worker/contract/fairness.py: an owner that holds `held` may take `more` if it then holds no more than
-- is free.
local function may_hold(held, more, free) return held + more <= free end
