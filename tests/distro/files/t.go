package main

import (
	"fmt"
	"sync"
)

type node struct{ v int }

func main() {
	m := map[int]string{}
	for i := 0; i < 200000; i++ {
		m[i*7919%100003] = fmt.Sprint(i)
	}
	s := 0
	for k, v := range m {
		s += k * len(v)
	}
	fmt.Println(len(m), s)
	var wg sync.WaitGroup
	r := make([]int, 200)
	for g := range r {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			b := make([][]byte, 10)
			for i := 0; i < 200; i++ {
				b[i%10] = make([]byte, 4096)
				b[i%10][i] = byte(g)
				r[g] += int(b[i%10][i])
			}
		}(g)
	}
	wg.Wait()
	t := 0
	for _, x := range r {
		t += x
	}
	n := 0
	var p *node
	for i := 0; i < 1000; i++ {
		func() {
			defer func() {
				if recover() != nil {
					n++
				}
			}()
			p.v++
		}()
	}
	fmt.Println(t, n)
}
