-- Writes a key behind: for applications, and for the relay.
--
-- KEYS: key, inbox (the stream <prefix>~inbox), both with the prefix.
-- ARGV, of an application that writes:
--   1  'set' or 'add'
--   2  JSON object: columns and their new values, or what is added to them
--   3  optional: value to begin with if nothing is stored and nothing pending,
--      the JSON object of a whole row; for rows that do not exist yet
-- Returns {id of the entry, the value of the key or false}.
-- ARGV, of the relay that stores a row as the database has it:
--   1  'row'
--   2  value
--   3  its milliseconds; '0' = for ever
-- Returns 1 = stored, 0 = not.
--
-- Beside the key a list holds the entries that are pending: that the row which
-- the relay has stored last does not contain.  The value is always that row
-- with these entries applied to it, in their order, or it is missing.  An entry
-- has come round when the id in <prefix>~behind has reached its own: the relay
-- moves that together with the rows.  If nobody knows the id, nobody knows which
-- entries a row contains, and it is not stored.
--
-- A value with entries in it ends in a tab.  So it is never taken for a row, which
-- ends in a brace: readers in SQL want what the database says.

local MAX_PENDING = 1000

local key, inbox = KEYS[1], KEYS[2]
local verb, text = ARGV[1], ARGV[2]
local prefix = string.sub(inbox, 1, -7)
local pending = '{' .. key .. '}~behind'

-- That of the companion is made as in names.c.
local open = string.find(key, '{', 1, true)
local close = open and string.find(key, '}', open + 1, true)
local has_tag = close and close > open + 1
local companion = (has_tag and key or '{' .. key .. '}') .. '~query'

-- ---- JSON: the members of an object, as they are written ----

-- Where the string that begins at i ends.
local function string_end(s, i)
	while true do
		i = string.find(s, '["\\]', i + 1)
		if string.byte(s, i) == 34 then
			return i
		end
		i = i + 1
	end
end

-- Where the value that begins at i ends.
local function value_end(s, i)
	local first = string.sub(s, i, i)
	if first == '"' then
		return string_end(s, i)
	elseif first ~= '{' and first ~= '[' then
		return string.find(s, '[%s,}%]]', i) - 1
	end
	local depth = 0
	while true do
		local c = string.sub(s, i, i)
		if c == '"' then
			i = string_end(s, i)
		elseif c == '{' or c == '[' then
			depth = depth + 1
		else
			depth = depth - 1
			if depth == 0 then
				return i
			end
		end
		i = string.find(s, '["{}%[%]]', i + 1)
	end
end

-- The members of an object that is known to be one; index: name to number.
local function split(s)
	local object = {name = {}, value = {}, index = {}}
	local i = string.find(s, '["}]')
	while string.sub(s, i, i) == '"' do
		local last = string_end(s, i)
		local label = string.sub(s, i, last)
		local begin = string.find(s, '[^%s:]', last + 1)
		last = value_end(s, begin)
		-- one name may be written in several ways
		if string.find(label, '\\', 1, true) then
			label = cjson.encode(cjson.decode('[' .. label .. ']')[1])
		end
		local n = object.index[label] or #object.name + 1
		object.name[n] = label
		object.value[n] = string.sub(s, begin, last)
		object.index[label] = n
		i = string.find(s, '["}]', last + 1)
	end
	return object
end

local function join(object)
	local members = {}
	for i, label in ipairs(object.name) do
		members[i] = label .. ':' .. object.value[i]
	end
	return '{' .. table.concat(members, ',') .. '}\t'
end

-- ---- numbers: bigint and numeric have more digits than a double ----

local NUMBER = '^(%-?)(%d+)%.?(%d*)$'

-- Adds, or subtracts, strings of digits of one length; the first is not smaller
-- if it subtracts.
local function digits(a, b, sign)
	local result, carry = {}, 0
	for i = #a, 1, -1 do
		local d = string.byte(a, i) - 48 + sign * (string.byte(b, i) - 48) + carry
		carry = math.floor(d / 10)
		result[i] = d - carry * 10
	end
	return (carry > 0 and '1' or '') .. table.concat(result, '', 1, #a)
end

local function plus(a, b)
	if a == 'null' then
		a = '0'
	end
	if not tonumber(a) or not tonumber(b) then
		return a
	end
	local a_sign, a_int, a_frac = string.match(a, NUMBER)
	local b_sign, b_int, b_frac = string.match(b, NUMBER)
	if not a_int or not b_int then
		return string.format('%.17g', a + b)
	end
	if a_frac == '' and b_frac == '' and #a_int < 16 and #b_int < 16 then
		return string.format('%.0f', a + b)
	end
	local scale, width = math.max(#a_frac, #b_frac), math.max(#a_int, #b_int)
	local x = string.rep('0', width - #a_int) .. a_int .. a_frac ..
		string.rep('0', scale - #a_frac)
	local y = string.rep('0', width - #b_int) .. b_int .. b_frac ..
		string.rep('0', scale - #b_frac)
	local sum, sign = nil, a_sign
	if a_sign == b_sign then
		sum = digits(x, y, 1)
	elseif x >= y then
		sum = digits(x, y, -1)
	else
		sum, sign = digits(y, x, -1), b_sign
	end
	local int = string.match(string.sub(sum, 1, #sum - scale), '^0*(%d+)$')
	local frac = string.sub(sum, #sum - scale + 1)
	if string.find(sum, '^0*$') then
		sign = ''
	end
	return sign .. int .. (scale > 0 and '.' .. frac or '')
end

-- Applies an entry; columns that are not stored under the key are left out.
local function apply(object, what, entry)
	for i, label in ipairs(entry.name) do
		local n = object.index[label]
		if n and what == 'set' then
			object.value[n] = entry.value[i]
		elseif n then
			object.value[n] = plus(object.value[n], entry.value[i])
		end
	end
end

-- ---- entries ----

local function not_list(reply)
	return type(reply) == 'table' and reply.err
end

-- Is the id at the beginning of a pending entry not behind another id?
local function has_come_round(entry, round)
	local ms, nth = string.match(entry, '^(%d+)-(%d+)')
	local round_ms, round_nth = string.match(round, '^(%d+)-(%d+)$')
	if not ms or not round_ms then
		return false
	end
	ms, round_ms = tonumber(ms), tonumber(round_ms)
	return ms < round_ms or
		(ms == round_ms and tonumber(nth) <= tonumber(round_nth))
end

local function store(value, ms)
	if ms == '0' then
		redis.call('SET', key, value)
	else
		redis.call('SET', key, value, 'PX', ms)
	end
	return 1
end

if verb == 'row' then
	local list = redis.pcall('LRANGE', pending, 0, -1)
	if not_list(list) then
		redis.call('UNLINK', pending)
		list = {}
	end
	if #list == 0 then
		return store(text, ARGV[3])
	end
	local round = redis.pcall('GET', prefix .. '~behind')
	if type(round) ~= 'string' then
		redis.call('UNLINK', key)
		return 0
	end
	local first = 1
	while list[first] and has_come_round(list[first], round) do
		first = first + 1
	end
	redis.call('LTRIM', pending, first - 1, -1)
	if not list[first] then
		return store(text, ARGV[3])
	end
	if string.sub(list[first], -1) == '*' then
		return 0
	end
	local object = split(text)
	for i = first, #list do
		local what, entry = string.match(list[i], '^%S+ (%S+) (.*)$')
		apply(object, what, split(entry))
	end
	return store(join(object), ARGV[3])
end

-- What an application writes.
local function is_object(s)
	local ok, value = pcall(cjson.decode, s)
	return ok and type(value) == 'table' and string.find(s, '^%s*{')
end

if (verb ~= 'set' and verb ~= 'add') or string.sub(inbox, -6) ~= '~inbox' or
	string.sub(key, 1, #prefix) ~= prefix or #key == #prefix then
	return redis.error_reply('ERR usage: 2 key inbox set|add object [row]')
end
if not text or not is_object(text) or (ARGV[3] and not is_object(ARGV[3])) then
	return redis.error_reply('ERR not a JSON object')
end
local entry = split(text)
for _, value in ipairs(entry.value) do
	local is_number = string.find(value, '^%-?%d+%.?%d*[eE]?[-+]?%d*$')
	if verb == 'add' and not is_number then
		return redis.error_reply('ERR what is added must be a number')
	-- cjson takes NaN and the like for numbers
	elseif not is_number and not string.find(value, '^["{%[]') and
		value ~= 'true' and value ~= 'false' and value ~= 'null' then
		return redis.error_reply('ERR not a JSON object')
	end
end

-- This may be refused for want of memory, and then nothing was done.
local id = redis.call('XADD', inbox, '*', 'key', string.sub(key, #prefix + 1),
	verb, text)

-- Of very many entries only the last id is kept.  Rows are not stored until it
-- has come round: to apply so many to each of them would take too long.
local first = redis.pcall('LINDEX', pending, 0)
if not_list(first) then
	redis.call('UNLINK', pending)
	first = false
end
if first and (string.sub(first, -1) == '*' or
	redis.call('LLEN', pending) >= MAX_PENDING) then
	redis.call('UNLINK', pending)
	redis.call('RPUSH', pending, id .. ' *')
else
	redis.call('RPUSH', pending, id .. ' ' .. verb .. ' ' .. text)
end

-- The answer of another question has a companion and ends in a line feed, or is
-- no object.
redis.call('UNLINK', companion)
local value = redis.pcall('GET', key)
if not value and not first then
	value = ARGV[3] and ARGV[3] .. '\t'
elseif type(value) ~= 'string' or not (string.sub(value, -2) == '}\t' or
	(string.sub(value, -1) == '}' and
		string.find(value, '^{"[^"\\]*":[^ ]'))) then
	if value then
		redis.call('UNLINK', key)
	end
	value = false
end
if not value then
	return {id, false}
end
local object = split(value)
apply(object, verb, entry)
value = join(object)
redis.call('SET', key, value, 'KEEPTTL')
return {id, value}
