-- Wireshark reads this at its start. It shows what Wireshark's own dissectors leave as bytes: CoAP in the access
-- messages of the mesh, and CBOR in what OSCORE protected.

local coap = Dissector.get("coap")
local cbor = Dissector.get("cbor")

-- Vendor opcode 1 of company 0xFFFF: a whole CoAP message.
local COMPANY = 0xffff
local COAP_STATUS = 0xc1
local OPCODE_LENGTH = 3

local over_mesh = Proto("coap_mesh", "CoAP over Bluetooth Mesh")

function over_mesh.dissector(access, packet, tree)
  if access(0, 1):uint() ~= COAP_STATUS then return 0 end
  return OPCODE_LENGTH + coap:call(access(OPCODE_LENGTH):tvb(), packet, tree)
end

DissectorTable.get("btmesh.model.vendor"):add(COMPANY, over_mesh)

-- The requests have no Content-Format, which would cost a byte, so nothing says to Wireshark that they are CBOR. Of the
-- two pieces of data in such a packet the first one is the ciphertext.
local decrypted = Field.new("oscore.tag")
local pieces = Field.new("data.data")

local report = Proto("oscore_mesh_report", "Report")

function report.dissector(_, packet, tree)
  if not decrypted() then return end
  local data = { pieces() }
  if #data < 2 then return end
  cbor:call(data[#data].range:tvb(), packet, tree:add(report, data[#data].range))
end

register_postdissector(report)
