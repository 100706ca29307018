"""The teacher-forced pass as it trains and scores fastest; layers/ says what it must equal."""
