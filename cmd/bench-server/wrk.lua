-- Asks for the paths of a file, either in turn or by chance, or sends batches of new resources, and prints what wrk
-- measured as one line of JSON.
-- Arguments: mode (fixed, random, walk, batch), then for random and walk: file, first line, last line; for batch: a word that
-- no other run uses, and the number of resources in a batch.
local mode
local requests, n, at = {}, 0, 0
local pieces

local function read(file, first, last)
	local line = 0
	for path in io.lines(file) do
		line = line + 1
		if line > last then break end
		if line >= first then
			n = n + 1
			requests[n] = wrk.format("GET", path)
		end
	end
end

-- The body is cut where the number of the request goes.
local function cut(word, size)
	local resources = {}
	for i = 1, size do
		resources[i] = '{"azure_resource_id":"/subscriptions/bench/' .. word .. '/@/vm-' .. i .. '","subscription_id":"bench",' ..
			'"resource_group_name":"rg-bench","name":"vm-' .. i .. '","type":"Microsoft.Compute/virtualMachines",' ..
			'"location":"westeurope","properties":{"hardwareProfile":{"vmSize":"Standard_D4s_v5"}},"tags":{"env":"bench"}}'
	end
	pieces = {}
	for piece in (table.concat(resources, ",") .. "@"):gmatch("(.-)@") do pieces[#pieces + 1] = piece end
end

function init(args)
	mode = args[1]
	math.randomseed(os.time())
	if mode == "batch" then
		cut(args[2], tonumber(args[3]))
		function request()
			at = at + 1
			return wrk.format("POST", nil, nil, '{"resources":[' .. table.concat(pieces, tostring(at)) .. "]}")
		end
		return
	end
	if mode == "fixed" then return end
	read(args[2], tonumber(args[3]), tonumber(args[4]))
	if mode == "random" then
		local random = math.random
		function request() return requests[random(n)] end
	else
		function request()
			at = at % n + 1
			return requests[at]
		end
	end
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'\n@{"requests":%d,"micros":%d,"failed":%d,"p50":%d,"p99":%d}\n',
		summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
		latency:percentile(50), latency:percentile(99)))
end
