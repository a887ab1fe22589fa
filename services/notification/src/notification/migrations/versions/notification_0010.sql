-- The customer's version when they booked. A message waits until that one is known here, or a later one: what the
-- customer has said with the booking comes by another topic. NULL where the booking does not tell.
ALTER TABLE appointment ADD COLUMN customer_version integer;
