package dashboard

import (
	"cmp"
	"slices"
)

// Sizes of the graph in CSS pixels.
const (
	boxWidth  = 172.0
	boxHeight = 46.0
	columnGap = 32.0
	rowGap    = 14.0
	laneSize  = 8.0 // what a line takes that passes through a column
	margin    = 4.0
)

// vertex is a stage as the layout sees it. Needs that name nothing are ignored, and so are those of a circle: the page
// must be drawn whatever the store holds.
type vertex struct {
	key   string
	needs []string
}

// point is the upper left corner of a box.
type point struct{ x, y float64 }

// line runs from the right side of one box to the left side of another, through the lanes between.
type line struct {
	from, to int
	points   []point
}

// drawing is where everything goes. boxes has one point for each vertex, in order.
type drawing struct {
	boxes         []point
	lines         []line
	width, height float64
}

// arrange lays a graph out from left to right in columns: every stage right of all it needs (Sugiyama's steps: layers,
// lanes for long lines, few crossings by barycentres, then heights).
func arrange(vertices []vertex) drawing {
	needs := reduce(edges(vertices))
	columns, slots := layered(needs)
	for range 4 {
		untangle(columns, slots)
	}
	place(columns, slots)
	return draw(columns, slots, len(vertices))
}

// edges turns names into indices, in topological order of what can be ordered.
func edges(vertices []vertex) (needs [][]int, order []int) {
	index := make(map[string]int, len(vertices))
	for i, v := range vertices {
		index[v.key] = i
	}
	needs = make([][]int, len(vertices))
	for i, v := range vertices {
		for _, name := range v.needs {
			if j, known := index[name]; known && j != i && !slices.Contains(needs[i], j) {
				needs[i] = append(needs[i], j)
			}
		}
	}
	return ordered(needs)
}

// ordered sorts topologically; what is left belongs to a circle and loses its needs.
func ordered(needs [][]int) ([][]int, []int) {
	var order []int
	done := make([]bool, len(needs))
	for progress := true; progress; {
		progress = false
		for i := range needs {
			if !done[i] && !slices.ContainsFunc(needs[i], func(j int) bool { return !done[j] }) {
				done[i], progress = true, true
				order = append(order, i)
			}
		}
	}
	for i := range needs {
		if !done[i] {
			needs[i] = nil
			order = append(order, i)
		}
	}
	return needs, order
}

// reduce leaves out needs that another need already stands for, so that the picture shows each wait once.
func reduce(needs [][]int, order []int) [][]int {
	above := make([]map[int]bool, len(needs))
	for _, i := range order {
		above[i] = map[int]bool{}
		for _, j := range needs[i] {
			for k := range above[j] {
				above[i][k] = true
			}
		}
		needs[i] = slices.DeleteFunc(needs[i], func(j int) bool { return above[i][j] })
		for _, j := range needs[i] {
			above[i][j] = true
		}
	}
	return needs
}

// slot is a place in a column: a box, or the lane of a line on its way through.
type slot struct {
	box   int // -1: a lane
	from  []int
	to    []int
	rank  int // place in its column
	y     float64
	layer int
}

func (s slot) height() float64 {
	if s.box < 0 {
		return laneSize
	}
	return boxHeight
}

// layered gives each vertex its column and each long line its lanes.
func layered(needs [][]int) (columns [][]int, slots []slot) {
	layer := layers(needs)
	slots = make([]slot, 0, len(needs))
	for i := range needs {
		slots = append(slots, slot{box: i, layer: layer[i]})
	}
	connect := func(a, b int) {
		slots[a].to = append(slots[a].to, b)
		slots[b].from = append(slots[b].from, a)
	}
	for i := range needs {
		for _, j := range needs[i] {
			last := j
			for l := layer[j] + 1; l < layer[i]; l++ {
				slots = append(slots, slot{box: -1, layer: l})
				connect(last, len(slots)-1)
				last = len(slots) - 1
			}
			connect(last, i)
		}
	}
	for i := range slots {
		for len(columns) <= slots[i].layer {
			columns = append(columns, nil)
		}
		slots[i].rank = len(columns[slots[i].layer])
		columns[slots[i].layer] = append(columns[slots[i].layer], i)
	}
	return columns, slots
}

// layers is the longest way from a start to each vertex.
func layers(needs [][]int) []int {
	layer := make([]int, len(needs))
	for changed := true; changed; {
		changed = false
		for i := range needs {
			for _, j := range needs[i] {
				if layer[i] <= layer[j] {
					layer[i], changed = layer[j]+1, true
				}
			}
		}
	}
	return layer
}

// untangle sorts each column by the mean place of its neighbours, once from the left and once from the right.
func untangle(columns [][]int, slots []slot) {
	sweep := func(column []int, neighbours func(slot) []int) {
		weight := make(map[int]float64, len(column))
		for _, i := range column {
			weight[i] = mean(neighbours(slots[i]), float64(slots[i].rank), func(j int) float64 { return float64(slots[j].rank) })
		}
		slices.SortStableFunc(column, func(a, b int) int { return cmp.Compare(weight[a], weight[b]) })
		for rank, i := range column {
			slots[i].rank = rank
		}
	}
	for l := 1; l < len(columns); l++ {
		sweep(columns[l], func(s slot) []int { return s.from })
	}
	for l := len(columns) - 2; l >= 0; l-- {
		sweep(columns[l], func(s slot) []int { return s.to })
	}
}

// place gives heights: every slot goes towards the middle of its neighbours as far as its column has room.
func place(columns [][]int, slots []slot) {
	for _, column := range columns {
		settle(column, slots, func(i int) float64 { return float64(slots[i].rank) })
	}
	centre := func(j int) float64 { return slots[j].y + slots[j].height()/2 }
	for range 6 {
		for _, column := range columns {
			settle(column, slots, func(i int) float64 { return mean(slots[i].from, centre(i), centre) - slots[i].height()/2 })
		}
		for _, column := range slices.Backward(columns) {
			settle(column, slots, func(i int) float64 { return mean(slots[i].to, centre(i), centre) - slots[i].height()/2 })
		}
	}
}

// settle sets a column's heights: the mean of pushing down from the top and pushing up from the bottom.
func settle(column []int, slots []slot, wish func(int) float64) {
	down, up := make([]float64, len(column)), make([]float64, len(column))
	for rank, i := range column {
		down[rank] = wish(i)
		up[rank] = down[rank]
	}
	for rank := 1; rank < len(column); rank++ {
		above := column[rank-1]
		down[rank] = max(down[rank], down[rank-1]+slots[above].height()+rowGap)
	}
	for rank := len(column) - 2; rank >= 0; rank-- {
		up[rank] = min(up[rank], up[rank+1]-slots[column[rank]].height()-rowGap)
	}
	for rank, i := range column {
		slots[i].y = (down[rank] + up[rank]) / 2
	}
}

func draw(columns [][]int, slots []slot, boxes int) drawing {
	top, bottom := 0.0, 0.0
	for i, s := range slots {
		if i == 0 || s.y < top {
			top = s.y
		}
		bottom = max(bottom, s.y+s.height())
		if i == 0 {
			bottom = s.y + s.height()
		}
	}
	at := func(i int) point {
		return point{margin + float64(slots[i].layer)*(boxWidth+columnGap), margin + slots[i].y - top}
	}
	d := drawing{
		boxes: make([]point, boxes), height: bottom - top + 2*margin,
		width: 2*margin + float64(len(columns))*(boxWidth+columnGap) - columnGap,
	}
	for i := range boxes {
		d.boxes[i] = at(i)
		for _, next := range slots[i].to {
			d.lines = append(d.lines, follow(i, next, slots, at))
		}
	}
	return d
}

// follow walks from a box through its lanes to the next box.
func follow(from, next int, slots []slot, at func(int) point) line {
	l := line{from: from, points: []point{{at(from).x + boxWidth, at(from).y + boxHeight/2}}}
	for slots[next].box < 0 {
		p := at(next)
		l.points = append(l.points, point{p.x, p.y + laneSize/2}, point{p.x + boxWidth, p.y + laneSize/2})
		next = slots[next].to[0]
	}
	l.to = next
	l.points = append(l.points, point{at(next).x, at(next).y + boxHeight/2})
	return l
}

func mean(items []int, otherwise float64, value func(int) float64) float64 {
	if len(items) == 0 {
		return otherwise
	}
	sum := 0.0
	for _, i := range items {
		sum += value(i)
	}
	return sum / float64(len(items))
}
