-- Puts entries that cannot be applied to the dead letters.
--
-- KEYS: inbox, dead letters, position.
-- ARGV: epoch, time; then for each entry its id, an SQLSTATE, a message.
-- Returns 0, or -1 = the position is of another epoch.
--
-- A dead letter has the id of its entry, or a higher one if a later one was put
-- before, and the fields of its entry, and then: entry (its id), error, sqlstate,
-- time.  What is there is not put again.

local inbox, dead = KEYS[1], KEYS[2]
if redis.call('HGET', KEYS[3], 'epoch') ~= ARGV[1] then
	return -1
end

-- Is there a dead letter of an entry?
local function is_there(id)
	local from = id
	while true do
		local letters = redis.call('XRANGE', dead, from, '+', 'COUNT', 100)
		for _, letter in ipairs(letters) do
			local fields = letter[2]
			if fields[#fields - 6] == id then
				return true
			end
			from = '(' .. letter[1]
		end
		if #letters < 100 then
			return false
		end
	end
end

for i = 3, #ARGV, 3 do
	local id = ARGV[i]
	if not is_there(id) then
		local entry = redis.call('XRANGE', inbox, id, id)[1]
		local fields = entry and entry[2] or {}
		if #fields > 1000 then
			fields = {unpack(fields, 1, 1000)}
		end
		for _, text in ipairs({'entry', id, 'error', ARGV[i + 2],
				'sqlstate', ARGV[i + 1], 'time', ARGV[2]}) do
			fields[#fields + 1] = text
		end
		local put = redis.pcall('XADD', dead, id, unpack(fields))
		if type(put) == 'table' and put.err then
			redis.call('XADD', dead, '*', unpack(fields))
		end
	end
end
return 0
