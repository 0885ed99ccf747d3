import { closeSync, openSync, readSync } from 'node:fs'
import { targetOf, type Target } from './package.js'

const elfMachines = new Map([
  [0x3e, 'x64'],
  [0xb7, 'arm64'],
  [0x28, 'arm'],
  [0x03, 'ia32'],
])
const machMachines = new Map([
  [0x01000007, 'x64'],
  [0x0100000c, 'arm64'],
])
const peMachines = new Map([
  [0x8664, 'x64'],
  [0xaa64, 'arm64'],
  [0x014c, 'ia32'],
])

/**
 * Returns the target that a program was built for, by its header; undefined if it is a script or unknown. ELF does
 * not distinguish Linux from FreeBSD: it counts as this system's.
 */
export function builtFor(path: string): Target | undefined {
  const head = Buffer.alloc(4096)
  try {
    const file = openSync(path, 'r')
    try {
      readSync(file, head)
    }
    finally {
      closeSync(file)
    }
  }
  catch {
    return undefined
  }
  let platform: string
  let arch: string | undefined
  if (head.readUInt32BE(0) === 0x7f454c46) {
    platform = process.platform === 'freebsd' ? 'freebsd' : 'linux'
    arch = elfMachines.get(head.readUInt16LE(18))
  }
  else if (head.readUInt32LE(0) === 0xfeedfacf) {
    platform = 'darwin'
    arch = machMachines.get(head.readUInt32LE(4))
  }
  else if (head.readUInt16LE(0) === 0x5a4d) {
    platform = 'win32'
    const header = head.readUInt32LE(0x3c)
    arch = header < head.length - 6 ? peMachines.get(head.readUInt16LE(header + 4)) : undefined
  }
  else return undefined
  return arch ? targetOf(platform, arch) : undefined
}
