-- The rule of worker/contract/fairness.py: an owner that holds `held` may take `more` of what is free, as long as it does
-- not hold more than is free.
local function may_hold(held, more, free) return held + more <= free end
