// A Helia node on loopback: fetches every block of a bundle from a uxf node by bitswap, compares it with the archive of the
// bundle, and then gives the blocks to whoever asks, until its input ends.
//
//   node helia.mjs ADDRESS_OF_UXF BUNDLE.car READY_FILE
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createHelia } from 'helia'
import { tcp } from '@libp2p/tcp'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { CarReader } from '@ipld/car'

const [address, archive, readyFile] = process.argv.slice(2)
const libp2p = {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  peerDiscovery: [],
  contentRouters: [],
  peerRouters: [],
  services: { identify: identify() }
}
const helia = await createHelia({ libp2p, http: {} })
await helia.start?.()
await helia.libp2p.dial(multiaddr(address), { signal: AbortSignal.timeout(10_000) })
const wholeOf = async found => {
  if (found instanceof Uint8Array) return found
  const parts = []
  for await (const part of found) parts.push(part)
  return Buffer.concat(parts)
}
const car = await CarReader.fromBytes(readFileSync(archive))
let count = 0
for await (const { cid, bytes } of car.blocks()) {
  // The same bytes are asked for by the id that they have in the bundle, and by that of raw bytes.
  for (const id of [cid, CID.createV1(raw.code, cid.multihash)]) {
    const found = await wholeOf(await helia.blockstore.get(id, { signal: AbortSignal.timeout(20_000) }))
    if (Buffer.compare(Buffer.from(found), Buffer.from(bytes)) !== 0) throw new Error(`${id} differs`)
    count += 1
  }
}
console.log(`Helia fetched ${count} blocks, all equal`)
writeFileSync(`${readyFile}.new`, `${helia.libp2p.getMultiaddrs()[0]}\n`)
renameSync(`${readyFile}.new`, readyFile)
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
