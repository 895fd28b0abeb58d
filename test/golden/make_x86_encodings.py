"""Instructions and their bytes from GNU as, for the assembler's test: python3 make_x86_encodings.py > x86-encodings.json"""
import json, re, subprocess, tempfile, os

GP = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
GP32 = "eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d".split()
MEMORY = ["[rax]", "[rbp+0]", "[r13+0]", "[rsp+8]", "[r12+64]", "[rdi+127]", "[rsi-128]", "[rbx+128]", "[r15+4096]",
          "[rax+rcx*4]", "[r8+r9*8+64]", "[rsp+rbp*2-4]", "[rbp+r12*1+256]", "[r14-4096]", "[r11+640]", "[rdx+8192]"]
lines = []

# Vectors. Registers change places so that every bit of every field is seen.
three = "vaddps vmulps vsubps vminps vdivps vmaxps vpaddd vpsubd vpmulld vunpcklps vunpckhps vunpcklpd vunpckhpd".split()
vex_three = "vandps vandnps vorps vxorps vpand vpor vpxor vpcmpeqd vpcmpgtd".split()
evex_three = "vpandd vpandnd vpord vpxord".split()
for i, name in enumerate(three + vex_three):
    for v in "xy":
        r = lambda n: f"{v}mm{(n * 5 + i) % 16}"
        lines.append(f"{name} {r(0)}, {r(1)}, {r(3)}")
        lines.append(f"{name} {r(2)}, {r(1)}, {v}mm{8 + i % 8}")
        for j in range(4):
            lines.append(f"{name} {r(j)}, {r(j + 2)}, {MEMORY[(i * 3 + j * 5) % len(MEMORY)]}")
for i, name in enumerate(three + evex_three):
    r = lambda n: f"zmm{(n * 11 + i * 3) % 32}"
    lines.append(f"{name} {r(0)}, {r(1)}, {r(2)}")
    lines.append(f"{name} {r(1)}, {r(3)}, {r(4)}")
    lines.append(f"{name} {r(2)}{{k{1 + i % 7}}}{{z}}, {r(5)}, {r(6)}")
    lines.append(f"{name} {r(2)}{{k{1 + i % 7}}}, {r(5)}, {r(6)}")
    for m in MEMORY:
        lines.append(f"{name} {r(1)}, {r(4)}, {m}")
    if not name.startswith("vunpck"):
        lines.append(f"{name} {r(1)}, {r(4)}, [rbp+64]{{1to16}}")
        lines.append(f"{name} {r(1)}, {r(4)}, [r9+r10*4-512]{{1to16}}")
    if name not in evex_three:
        lines.append(f"{name} ymm{16 + i % 16}, ymm3, ymm{31 - i % 16}")
for m in MEMORY:
    lines += [f"vmovups ymm1, {m}", f"vmovups zmm17, {m}", f"vmovups {m}, ymm9", f"vmovups {m}, zmm30",
              f"vmovaps {m}, xmm2", f"vmovaps zmm3, {m}", f"vmovss {m}, xmm7",
              f"vpmovzxbd xmm3, dword ptr {m}", f"vpmovzxbd ymm12, qword ptr {m}", f"vsubpd ymm3, ymm12, {m}", f"vsubpd zmm3, zmm22, {m}", f"vmulpd ymm13, ymm2, {m}", f"vmulpd zmm13, zmm2, {m}", f"vbroadcastss ymm12, {m}", f"vbroadcastss zmm21, {m}", f"vpbroadcastd ymm3, {m}", f"vpbroadcastd zmm8, {m}",
              f"vsqrtps ymm4, {m}", f"vsqrtps zmm4, {m}", f"vcvtdq2ps ymm5, {m}", f"vcvtdq2ps zmm25, {m}",
              f"vinsertf128 ymm6, ymm7, {m}, 1", f"vextractf128 {m}, ymm3, 1", f"vextractf64x4 {m}, zmm19, 1",
              f"vroundps ymm3, {m}, 9", f"vrndscaleps zmm3, {m}, 8", f"vcmpps ymm3, ymm12, {m}, 17", f"vcmpps k3, zmm12, {m}, 18",
              f"vpternlogd zmm3, zmm20, {m}, 202", f"vmaskmovps ymm3, ymm4, {m}", f"vmaskmovps {m}, ymm11, ymm4",
              f"vblendvps ymm3, ymm4, {m}, ymm13", f"vmovd xmm3, dword ptr {m}",
              f"vmovups zmm5{{k2}}{{z}}, {m}", f"vmovups {m}{{k3}}, zmm6"]
lines += ["vcvtdq2pd ymm3, xmm12", "vcvtdq2pd zmm3, ymm21", "vcvtdq2pd zmm31, ymm1", "vcvtpd2ps xmm12, ymm3", "vcvtpd2ps ymm3, zmm21", "vcvtpd2ps ymm30, zmm1",
          "vmovaps ymm1, ymm2", "vmovaps ymm9, ymm3", "vmovaps xmm1, xmm2", "vmovaps zmm31, zmm2", "vmovaps zmm1, zmm18",
          "vsqrtps ymm1, ymm12", "vsqrtps zmm1, zmm28", "vcvtdq2ps ymm9, ymm1", "vcvtdq2ps zmm29, zmm1",
          "vbroadcastss ymm1, xmm9", "vpbroadcastd ymm8, xmm3", "vpbroadcastd zmm18, xmm3",
          "vmovd xmm3, eax", "vmovd xmm13, r9d", "vmovd xmm0, edi",
          "vcmpps ymm1, ymm2, ymm13, 30", "vcmpps k1, zmm2, zmm23, 4", "vpcmpd k2, zmm3, zmm4, 6", "vpcmpd k7, zmm30, [rax+128], 1",
          "vpternlogd zmm1{k1}{z}, zmm1, zmm1, 255", "vpternlogd zmm1, zmm2, zmm30, 202",
          "vblendvps ymm1, ymm2, ymm13, ymm4", "vshufps ymm1, ymm2, ymm3, 238", "vblendps ymm1, ymm12, ymm3, 15", "vblendps ymm9, ymm2, [rax+64], 3", "vshufps zmm1, zmm22, zmm3, 68",
          "vinsertf128 ymm1, ymm2, xmm9, 1", "vextractf128 xmm9, ymm1, 1", "vextractf64x4 ymm9, zmm1, 1",
          "vpermilps xmm1, xmm2, 78", "vpermilps xmm1, xmm12, 177", "vpermilps ymm1, ymm2, 57",
          "vpslld ymm1, ymm12, 23", "vpsrad ymm10, ymm2, 31", "vpsrld xmm3, xmm3, 1",
          "vpslld zmm1, zmm22, 23", "vpsrad zmm30, zmm2, 31", "vpsrld zmm3, zmm3, 1", "kmovw k1, eax", "kmovw k5, r12d", "vzeroupper"]

# General purpose.
for i, name in enumerate("add or and sub xor cmp".split()):
    a, b = GP[i], GP[15 - i]
    lines += [f"{name} {a}, {b}", f"{name} {b}, {a}", f"{name} {b}, 8", f"{name} {b}, 1000", f"{name} {a}, -128",
              f"{name} {b}, {MEMORY[i]}", f"{name} {MEMORY[i + 5]}, {a}", f"{name} qword ptr {MEMORY[i + 3]}, 5",
              f"{name} {GP32[i]}, {GP32[15 - i]}", f"{name} {GP32[15 - i]}, {MEMORY[i]}",
              f"{name} qword ptr {MEMORY[i + 3]}, 70000", f"{name} dword ptr {MEMORY[i + 7]}, 1"]
for m in MEMORY:
    lines += [f"mov rdx, {m}", f"mov {m}, r10", f"mov ecx, {m}", f"mov r9d, {m}", f"mov {m}, esi", f"mov {m}, r11d", f"lea r8, {m}",
              f"imul rbx, {m}", f"imul r14, {m}, 4096", f"mov qword ptr {m}, 77", f"lock xadd {m}, eax", f"lock xadd {m}, r9d",
              f"prefetcht0 {m}", f"div qword ptr {m}"]
lines += ["mov rax, r15", "mov r12, rcx", "mov eax, ecx", "mov r9d, esi", "mov r13, -1", "mov rsi, 123456", "imul rax, r9", "imul r11, rdx, 640",
          "div rcx", "div r10", "test rax, rax", "test r11, rdx", "shl rax, 6", "shr r12, 4", "sar rdx, 63", "push rbx", "push r13", "pop r15", "pop rbp",
          "ret", "pause", "syscall", "cpuid", "xgetbv", "rdtsc"]

lines = list(dict.fromkeys(lines))
with tempfile.TemporaryDirectory() as folder:
    source, object_file = os.path.join(folder, "a.s"), os.path.join(folder, "a.o")
    with open(source, "w") as f:
        f.write(".intel_syntax noprefix\n" + "\n".join(lines) + "\n")
    listing = subprocess.run(["as", "-aln", source, "-o", object_file], check=True, capture_output=True, text=True).stdout
found = {}
for line in listing.splitlines():
    m = re.match(r"\s*(\d+)\s+(?:([0-9a-f]{4})\s)?\s*([0-9A-F]+)", line)
    if m:
        found.setdefault(int(m[1]), []).append(m[3])
print(json.dumps({text: "".join(found[i + 2]).lower() for i, text in enumerate(lines)}, indent=1))
